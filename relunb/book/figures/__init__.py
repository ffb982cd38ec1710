"""Figures that are too long for a cell, in a module of their chapter's name. No mathematics is computed here."""

"""Checked chains from a heap of certificates: `signatures`, `constraints`, `bundle`, `anchors`, `chain`."""

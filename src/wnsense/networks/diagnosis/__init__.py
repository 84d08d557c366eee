"""Diagnosis of any torch model: layers, row lengths, curvature and advice."""

"""Descriptions of models and their graphs: with random weights for synth_model.py, with a checkpoint's for export_afmoe.py."""

"""Parts of synth_model.py: descriptions of the models, their graphs, and the file of random weights."""

"""Training: corpus, filters, objectives, pre-training.

What needs torch (network, muon, machine, held_out, checkpoint, export, pretraining) is imported inside functions only.
"""

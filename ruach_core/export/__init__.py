"""The model that leaves a run: transformers' folder, export, parity gate, model card."""

"""Fine-tuning: plan of an epoch, batches, the loop, checkpoints."""

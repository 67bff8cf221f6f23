"""From a data source to audited, normalised and split utterances, and to waveforms."""

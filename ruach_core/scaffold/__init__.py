"""`ruach langs new`: look at texts of a language, choose what follows, write a whole pack."""

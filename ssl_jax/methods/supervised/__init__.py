"""Methods that train on labels: what pretraining is for, and what it is compared with."""

"""Classical pretext tasks on images."""

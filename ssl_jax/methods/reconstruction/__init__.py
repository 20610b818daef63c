"""Methods that compress, repair or enlarge whole images, and are judged by what they paint."""

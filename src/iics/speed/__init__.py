"""What is timed: labelling, training and evaluation, beside plain forms of them."""

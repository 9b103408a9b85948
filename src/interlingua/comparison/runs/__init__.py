"""One method on one fold with one seed: trained, measured and recorded, in many processes."""

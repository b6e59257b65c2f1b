"""Pure: observations, the catalogue and a site's choices in; verdicts with their evidence out. No I/O."""

"""One file for each source; ``interlingua.data.TABLE`` names them."""

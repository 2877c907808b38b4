"""What more than one room of the house needs: atomic files, logging, devices, downloads."""

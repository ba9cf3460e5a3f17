"""Database flavours: what each has to say (``face``), which there are (``registry``), and one folder for each."""

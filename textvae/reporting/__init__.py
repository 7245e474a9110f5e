"""Tables, figures and pages of runs and sweeps. `markdown(rows(records))` renders any list of flat records."""

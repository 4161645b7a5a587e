"""Times SDV's Gaussian copula, with its default settings, on one table, in SDV's own environment.

Run as `python with_sdv.py TABLE.csv`. Prints, as JSON, the processor seconds of fitting and of drawing as many rows;
not those of the imports, of reading the table, and of finding out what its columns are.
"""

import json
import logging
import sys
import time
import warnings

import pandas as pd
from sdv.metadata import Metadata
from sdv.single_table import GaussianCopulaSynthesizer

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
data = {"table": pd.read_csv(sys.argv[1])}
columns = Metadata.detect_from_dataframes(data, infer_keys=None)
rows = len(data["table"])
began = time.process_time()
maker = GaussianCopulaSynthesizer(columns)
maker.fit(data)
made = maker.sample(num_rows=rows)["table"]
seconds = time.process_time() - began
if made.shape != data["table"].shape:
    sys.exit(f"SDV made {made.shape} of a table of {data['table'].shape}.")
json.dump(seconds, sys.stdout)

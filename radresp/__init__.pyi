"""Types of the front door, whose names load on first use."""

from radresp.pipeline.batch import Batch as Batch
from radresp.pipeline.check import check_cohort as check_cohort
from radresp.pipeline.cohort import extract_cohort as extract_cohort
from radresp.pipeline.engine import Engine as Engine
from radresp.pipeline.extract import extract_case as extract_case
from radresp.pipeline.extract import feature_names as feature_names
from radresp.pipeline.front import extract as extract
from radresp.pipeline.front import score_case as score_case
from radresp.pipeline.prepare import prepare_case as prepare_case
from radresp.pipeline.read import load_case as load_case
from radresp.pipeline.score import open_model as open_model
from radresp.pipeline.single import register_files as register_files
from radresp.pipeline.tables import load_plan as load_plan
from radresp.pipeline.tables import open_cases as open_cases
from radresp.pipeline.train import train_model as train_model

__version__: str

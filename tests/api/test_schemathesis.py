"""Requests that nobody wrote: made of the OpenAPI document, sound ones and bad ones, alone and in chains."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode

from api.app import create_app
from core.settings import Settings

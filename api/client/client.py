"""The client: everything that the API does, as methods."""

from __future__ import annotations

from api.client.catalogue import Catalogue
from api.client.jobs import Jobs
from api.client.keys import Keys
from api.client.studies import Studies
from api.client.tickets import Tickets


class Client(Tickets, Jobs, Studies, Catalogue, Keys):
    """One installation, at `server` (default: what ELASTICKET_SERVER names, else this machine's).

    `key`: an API key, where the installation asks for one; default: ELASTICKET_API_KEY.

    Methods take the API's own fields by name and answer with its bodies as models. Lists are iterators that ask for
    page after page. A request whose answer is lost, or is 503, is sent again for `patience` seconds and makes nothing
    twice; a server that has never answered is waited for only where `starting`. Whatever the server refuses is an
    `ApiError`. Use it in a `with` statement, or close it.
    """

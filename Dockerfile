FROM python:3.11.15-slim-bookworm AS build

WORKDIR /src
COPY pyproject.toml requirements.lock README.md ./
COPY api api
COPY cli cli
COPY core core
COPY migrations migrations
COPY workers workers
# Where torch comes from. What this index has brings CUDA along, some 5 GB; https://download.pytorch.org/whl/cpu has it without.
ARG TORCH_INDEX=https://pypi.org/simple
RUN python -m venv /opt/elasticket \
    && /opt/elasticket/bin/pip install --no-cache-dir --constraint requirements.lock --extra-index-url "$TORCH_INDEX" .

FROM python:3.11.15-slim-bookworm

RUN useradd --create-home --uid 1000 elasticket \
    && install -d -o elasticket /var/lib/elasticket
COPY --from=build /opt/elasticket /opt/elasticket

USER 1000
# What matplotlib and torch keep between runs goes where a read-only file system lets them.
ENV PATH=/opt/elasticket/bin:$PATH \
    ELASTICKET_HOME=/var/lib/elasticket \
    MPLCONFIGDIR=/tmp/matplotlib \
    XDG_CACHE_HOME=/tmp/cache
VOLUME /var/lib/elasticket
ENTRYPOINT ["elasticket"]

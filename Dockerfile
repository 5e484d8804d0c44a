FROM python:3.11-slim

RUN useradd --create-home --uid 1000 elasticket \
    && install -d -o elasticket /var/lib/elasticket
WORKDIR /opt/elasticket
COPY pyproject.toml requirements.lock README.md ./
COPY api api
COPY cli cli
COPY core core
COPY migrations migrations
COPY workers workers
# torch as the index serves it brings CUDA along: the same image is for workers with and without a GPU.
RUN pip install --no-cache-dir --constraint requirements.lock .

USER elasticket
ENV ELASTICKET_HOME=/var/lib/elasticket
VOLUME /var/lib/elasticket
ENTRYPOINT ["elasticket"]

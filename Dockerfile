# syntax=docker/dockerfile:1

# One image for every process. The default command serves the API alone, over a database that
# MODELWARD_DATABASE_URL names and `modelward db upgrade` has prepared; docker-compose.yml shows
# the whole. For a look without any database of one's own, with worker and embedded Postgres:
#
#   docker run --rm -p 127.0.0.1:8470:8470 -v modelward:/var/lib/modelward \
#     modelward:0.1.0 modelward serve --host 0.0.0.0

FROM python:3.12-slim AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
# The dependencies are a layer of their own: it changes with pyproject.toml, not with the code.
COPY pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > requirements.txt \
    && python -m venv /opt/modelward \
    && /opt/modelward/bin/pip install -r requirements.txt


FROM dependencies AS wheel
COPY README.md LICENSE ./
COPY migrations migrations
COPY openapi openapi
COPY app app
RUN python -m pip wheel --no-deps --wheel-dir /dist .


FROM python:3.12-slim
RUN groupadd --system --gid 10001 modelward \
    && useradd --system --uid 10001 --gid 10001 --no-create-home \
        --home-dir /var/lib/modelward --shell /usr/sbin/nologin modelward \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/modelward
COPY --from=dependencies /opt/modelward /opt/modelward
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    /opt/modelward/bin/pip install --no-cache-dir --no-deps --no-index /dist/*.whl

ENV PATH=/opt/modelward/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MODELWARD_DATA_DIR=/var/lib/modelward
WORKDIR /var/lib/modelward
USER 10001:10001

EXPOSE 8470
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8470, timeout=3); c.request('GET', '/livez'); sys.exit(c.getresponse().status != 200)"]
CMD ["modelward", "serve", "--host", "0.0.0.0", "--no-migrate", "--no-worker"]

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Modelward" \
      org.opencontainers.image.description="A model-governance server: catalog, release gates, champion/challenger routing, drift, KPI validation, audit." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

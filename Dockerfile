# Build: the toolchain stays in this stage.
FROM rust:1-trixie AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends nodejs npm \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY .cargo .cargo
COPY src src
COPY templates templates
COPY web web
COPY migrations migrations
COPY seeds seeds
COPY i18n i18n
COPY benches benches
RUN cargo build --profile dist --locked --bin baqylau

# Run: one binary, no shell work, no root. PostgreSQL is elsewhere (DATABASE_URL).
FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/baqylau --create-home baqylau
COPY --from=build /src/target/dist/baqylau /usr/local/bin/baqylau
USER baqylau
ENV BAQYLAU_LISTEN=0.0.0.0:8080 BAQYLAU_DATA_DIR=/var/lib/baqylau
VOLUME /var/lib/baqylau
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD curl --fail --silent http://127.0.0.1:8080/readyz || exit 1
STOPSIGNAL SIGTERM
CMD ["baqylau", "serve"]

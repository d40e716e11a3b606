# The local edge in a container, which serves .wasm files:
#
#   docker build -t flaron-edge .
#   docker run -p 8787:8787 -v ./my_flare.wasm:/flare/flare.wasm:ro -v flaron-data:/data flaron-edge
#
# Put flare.toml and flare.secrets.toml next to the flare, in /flare. The status page is for the machine that the
# edge runs on, so only the container itself can reach it.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --profile server -p flaron-edge -p flaron-size

FROM debian:bookworm-slim
# Root certificates, for flares that fetch over TLS.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/server/flaron-edge /src/target/server/flaron-size /usr/local/bin/
RUN useradd --system flaron && install --directory --owner flaron /data
USER flaron
VOLUME /data
EXPOSE 8787
# SIGTERM stops it gracefully.
ENTRYPOINT ["flaron-edge"]
CMD ["run", "--listen", "0.0.0.0:8787", "--data", "/data", "/flare/flare.wasm"]

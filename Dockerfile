# The gateway alone, without the demo's partners:
#
#   docker build -t kenh .
#   docker run -p 8080:8080 -v kenh-data:/var/lib/kenh -v ./config:/etc/kenh:ro --env-file .env kenh
#
# A mounted configuration must listen on 0.0.0.0:8080; the one in the image does. SQLite lives in
# the volume; with postgres:// in [database] url the volume stays empty.

FROM rust:1.95-bookworm AS build
WORKDIR /build

# Dependencies first, against empty crates: this layer is built again only when a manifest or the
# lock file changes. Targets that need files of their own are left out of the manifest here.
COPY Cargo.toml Cargo.lock ./
COPY domain/Cargo.toml domain/
COPY connectors/Cargo.toml connectors/
COPY sandbox/Cargo.toml sandbox/
RUN awk '/^\[/ { skip = ($0 == "[[bench]]" || $0 == "[[test]]") } !skip' Cargo.toml > Cargo.stub \
    && mv Cargo.stub Cargo.toml \
    && mkdir -p src domain/src connectors/src sandbox/src \
    && touch src/lib.rs domain/src/lib.rs connectors/src/lib.rs sandbox/src/lib.rs \
    && echo 'fn main() {}' | tee src/main.rs > sandbox/src/main.rs \
    && cargo build --release --locked --package kenh --no-default-features --features swagger

COPY . .
# The files of the checkout may be older than the empty crates, and cargo goes by time.
RUN find src domain connectors sandbox -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package kenh --no-default-features --features swagger \
    && mkdir -p /image/usr/local/bin /image/etc /image/var/lib/kenh \
    && cp target/release/kenh /image/usr/local/bin/ \
    && cp -r config /image/etc/kenh \
    && sed -i 's/^listen = .*/listen = "0.0.0.0:8080"/' /image/etc/kenh/kenh.toml

# C library, certificates and time zones; no shell and no packages.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build --chown=65532:65532 /image/var/lib/kenh /var/lib/kenh
COPY --from=build /image/usr/local/bin/kenh /usr/local/bin/kenh
COPY --from=build /image/etc/kenh /etc/kenh
# A relative sqlite:// URL is meant from here.
WORKDIR /var/lib/kenh
VOLUME /var/lib/kenh
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/kenh", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/kenh"]
CMD ["serve", "--config", "/etc/kenh", "--migrate"]

# The project's commands; `just` lists them.

default:
    @just --list

# Run the service on a private PostgreSQL
serve *ARGS:
    cargo run --release -- serve {{ARGS}}

# Run all tests
test:
    cargo test

# What continuous integration runs
ci:
    .ci/run

# Licences, duplicates and advisories of dependencies (cargo install cargo-deny)
deny:
    cargo deny check

# The fastest build (target/dist/baqylau): made for the ways that the program takes at its work
dist:
    .ci/dist

# Measure that build beside pgbench and psql; the figures go to docs/BENCHMARKS.md
bench *ARGS:
    .ci/dist bench {{ARGS}}

# Measure imports of results beside psql, and the forensics
bench-results:
    cargo bench --bench results

# Kill, cut, fill and fail over under load, then check that nothing acknowledged is lost
torture ROUNDS="66":
    BAQYLAU_TORTURE_ROUNDS={{ROUNDS}} cargo test --release --test torture -- --nocapture --test-threads 1

# Call the whole OpenAPI document with made-up input; examples an operation, seconds of calls on top of each other
hostile EXAMPLES="100" SECONDS="300":
    cargo build
    .ci/schemathesis {{EXAMPLES}} {{SECONDS}}

# Feed made-up input to every parser (cargo install cargo-fuzz, a nightly toolchain); inputs a target
fuzz INPUTS="200000":
    .ci/fuzz {{INPUTS}}

# Replace a running older version by this one on the same schema, without a pause
upgrade:
    .ci/upgrade

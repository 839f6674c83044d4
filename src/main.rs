use clap::Parser;

/// A page of records is many small strings; the system's allocator spends a tenth of the time on them. This one gives back
/// what an overload took, also where something that stays lies between (`.cargo/config.toml` says how soon).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    baqylau::commands::run(baqylau::commands::Cli::parse()).await
}

use clap::Parser;

/// A page of records is many small strings; the system's allocator spends a tenth of the time on them. Built without huge
/// pages, a good part of which was resident with nothing in it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    baqylau::commands::run(baqylau::commands::Cli::parse()).await
}

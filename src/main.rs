use clap::Parser;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    baqylau::commands::run(baqylau::commands::Cli::parse()).await
}

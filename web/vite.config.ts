import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { compression } from "vite-plugin-compression2";
import { VitePWA } from "vite-plugin-pwa";

export default defineConfig({
  base: "/",
  server: { proxy: { "/api": "http://127.0.0.1:8080" }, fs: { allow: [".."] } },
  build: { target: "es2022", modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  plugins: [
    svelte({ compilerOptions: { runes: undefined } }),
    VitePWA({
      registerType: "prompt",
      injectRegister: null,
      includeAssets: ["icon.svg"],
      manifest: {
        name: "baqylau",
        short_name: "baqylau",
        description: "Election observation: бақылау, наблюдение",
        lang: "kk",
        display: "standalone",
        start_url: "/#/observer",
        background_color: "#ffffff",
        theme_color: "#005f87",
        icons: [{ src: "/icon.svg", sizes: "any", type: "image/svg+xml", purpose: "any" }],
      },
      workbox: {
        globPatterns: ["**/*.{js,css,html,svg}"],
        navigateFallback: "/index.html",
        navigateFallbackDenylist: [/^\/api\//, /^\/(healthz|readyz|metrics)/],
        // What the API answers is never kept: a seized phone shows nothing of it.
        runtimeCaching: [],
      },
    }),
    compression({ algorithms: ["brotliCompress", "gzip"], include: /\.(js|css|html|svg|json|webmanifest)$/, threshold: 1024 }),
  ],
});

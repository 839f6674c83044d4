import { mount } from "svelte";
import App from "./App.svelte";
import { texts } from "./lib/i18n.svelte";
import "./style.css";

await texts.choose(texts.language);
mount(App, { target: document.getElementById("app")! });

if ("serviceWorker" in navigator && import.meta.env.PROD) {
  void navigator.serviceWorker.register("/sw.js");
}

// Fetches what changes about twice a second while the page is looked at.
const live = document.getElementById("live");
let shown = "";

async function refresh() {
  try {
    const answer = await fetch("/live");
    const html = await answer.text();
    // The same again would only make the pictures flicker.
    if (answer.ok && html !== shown) {
      live.innerHTML = html;
      shown = html;
    }
  } catch {
    // The server is away; the next look may find it.
  }
}

async function watch() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((done) => setTimeout(done, 600));
  }
}

watch();

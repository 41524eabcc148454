// What every page shares: who is logged in, and the logout button.
export const home = document.body.dataset.home;

export function say(text, state) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.dataset.state = state;
}

export async function showUser() {
  const reply = await fetch(`${home}qps/user?targetUri=${encodeURIComponent(location.href)}`);
  const who = await reply.json();
  document.getElementById("user").textContent = who.userId ? `${who.userDirectory}\\${who.userId}` : "Nobody";
  return who;
}

document.getElementById("logout").addEventListener("click", async () => {
  const key = "abcdefghijklmnop";
  await fetch(`${home}qps/user?xrfkey=${key}`, { method: "DELETE", headers: { "X-Qlik-Xrfkey": key } });
  location.assign(`${home}hub/`);
});

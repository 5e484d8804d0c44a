// "Run again with changes": sends the edited request, and shows what is wrong with it beside it.
const form = document.getElementById("again");

function item(flaw) {
  const line = document.createElement("li");
  const where = document.createElement("code");
  where.textContent = flaw.where || flaw.in;
  line.append(where, ` ${flaw.what}${flaw.accepted ? `; accepted: ${flaw.accepted}` : ""}`);
  return line;
}

function show(detail, flaws) {
  form.querySelector(".flaws").replaceChildren(...flaws.map(item));
  form.querySelector("[data-detail]").textContent = detail;
  form.querySelector(".callout").hidden = !detail;
}

async function send(event) {
  event.preventDefault();
  const button = form.querySelector("button");
  const { path } = form.dataset;
  button.disabled = true;
  show("", []);
  try {
    const response = await fetch(`${path}?${new URLSearchParams({ priority: form.elements.priority.value })}`, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/json" },
      body: form.elements.spec.value,
    });
    const answer = await response.json().catch(() => ({}));
    if (response.ok && answer.id) location.assign(`/ui/jobs/${encodeURIComponent(answer.id)}`);
    else show(answer.title || "The server refused.", answer.errors?.length ? answer.errors : [{ in: "", what: answer.detail || "" }]);
  } catch {
    show("No answer from the server.", []);
  }
  button.disabled = false;
}

if (form) {
  form.hidden = false;
  form.addEventListener("submit", send);
}

// Bring `old` to look like `fresh` without replacing what stays: focus, scroll and selection survive.
export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  morphAttributes(old, fresh);
  morphChildren(old, fresh);
}

function morphAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    // What a reader has opened stays open.
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

// Children with an id are matched by it, the others by their place.
function morphChildren(old, fresh) {
  const wanted = [...fresh.childNodes];
  const ids = new Set(wanted.map((node) => node.id).filter(Boolean));
  for (const node of [...old.childNodes]) {
    if (node.id && !ids.has(node.id)) node.remove();
  }
  let place = old.firstChild;
  for (const node of wanted) {
    const known = node.id && [...old.children].find((child) => child.id === node.id);
    if (known) {
      // Drop what stands before it rather than move it: a moved element loses the focus.
      while (place && place !== known && !place.id) place = drop(place);
      if (known !== place) old.insertBefore(known, place);
      place = known.nextSibling;
      morph(known, node);
    } else if (place && !place.id && !node.id) {
      const next = place.nextSibling;
      morph(place, node);
      place = next;
    } else {
      old.insertBefore(node, place);
    }
  }
  while (place) place = drop(place);
}

function drop(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// Enhances the page of the tuned perceptron: a picture is classified without leaving the page, and the list of runs needs no button.
// Everything here also works without it, by plain forms.

const list = document.querySelector("#run");
list?.addEventListener("change", () => list.form.requestSubmit());
watch();

/** Sends the picture as the form would, and takes over what the answer says of it. */
function watch() {
  const form = document.querySelector("form.upload");
  if (!form) return;
  form.image.addEventListener("change", () => form.requestSubmit());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("#try");
      if (!fresh) throw new Error(`the server answered ${answer.status}`);
      document.querySelector("#try").replaceWith(document.adoptNode(fresh));
      watch();
    } catch {
      form.submit(); // the answer is then a page of its own
    }
  });
}

// Tooltips: each mark of a chart carries its description as an aria-label; show it beside the pointer.
(() => {
  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  const show = (event) => {
    const mark = event.target.closest?.('.chart [role="graphics-symbol"][aria-label]');
    if (!mark) return hide();
    const text = mark.getAttribute("aria-label");
    if (tip.textContent !== text) tip.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.min(event.clientX + 14, innerWidth - width - 8);
    const above = event.clientY - height - 12;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above < 8 ? event.clientY + 18 : above}px`;
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("pointerleave", hide);
  addEventListener("scroll", hide, { passive: true });
  // Numbers are read down a column: set every column of numbers to the right.
  const numeric = /^[–<]?[^\p{L}\d]{0,2}-?[\d.,%\s()–+]+$/u;
  for (const table of document.querySelectorAll("table")) {
    const rows = [...table.tBodies[0].rows];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (column && rows.length && rows.every((row) => !row.cells[column].textContent || numeric.test(row.cells[column].textContent))) {
        head.classList.add("n");
        rows.forEach((row) => row.cells[column].classList.add("n"));
      }
    });
  }
})();

"use strict";
// Makes the headers of tables that may be sorted into buttons. Without scripts the page reads as it is.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const value = (row, at) => parseFloat((row.cells[at].firstChild?.textContent ?? "").trim().replace(/\u2212/g, "-").replace(/^< /, ""));
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort"), up = before ? before === "descending" : at === 0;
      heads.forEach(each => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const fixed = [...body.rows].filter(row => row.classList.contains("oracle"));
      const rows = [...body.rows].filter(row => !row.classList.contains("oracle"));
      const order = (a, b) => at ? value(a, at) - value(b, at) : a.cells[0].textContent.localeCompare(b.cells[0].textContent);
      const known = rows.filter(row => !at || !Number.isNaN(value(row, at))).sort((a, b) => up ? order(a, b) : order(b, a));
      body.append(...known, ...rows.filter(row => !known.includes(row)), ...fixed);
    });
  });
}

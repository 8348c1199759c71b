"use strict";
for (const transcript of document.querySelectorAll("[data-transcript]")) {
  const choice = transcript.querySelector("select");
  const speakers = [...transcript.querySelectorAll("[data-speaker]")];
  const show = () => {
    speakers.forEach((speaker, place) => { speaker.hidden = place !== choice.selectedIndex; });
  };
  choice.addEventListener("change", show);
  transcript.querySelector(".choice").hidden = false;
  show();
}

// Starts every part; then the person named in the address, or some to choose from.

import { startAsk } from "./ask.js";
import { startCalls } from "./calls.js";
import { startCatalogue } from "./catalogue.js";
import { startComposer } from "./composer.js";
import { startHistory } from "./history.js";
import { startInterests } from "./interests.js";
import { startKey } from "./key.js";
import { showFaces, startPeople } from "./people.js";
import { startProfile } from "./profile.js";
import { startRecommendations } from "./recommendations.js";
import { choose, personInAddress } from "./session.js";
import { startSideBySide } from "./side_by_side.js";
import { state } from "./state.js";
import { startSteer } from "./steer.js";
import { startWhatIf } from "./what_if.js";

startCalls();
startKey({ lasts: true });
startComposer();
startPeople();
startInterests();
startProfile();
startRecommendations();
startSideBySide();
startAsk();
startWhatIf();
startSteer();
startCatalogue();
startHistory();

function open() {
  const person = personInAddress();
  if (person === null) showFaces();
  else if (person !== state.person) choose(person);
}
addEventListener("hashchange", open);
open();

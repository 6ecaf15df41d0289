// Starts every part of the operator's view.

import { startKey } from "../key.js";
import { startCatalogue } from "./catalogue.js";
import { startExperiments } from "./experiments.js";
import { startModel } from "./model.js";
import { startOnline } from "./online.js";
import { startTraffic } from "./traffic.js";

startKey({ lasts: false });
startTraffic();
startOnline();
startModel();
startExperiments();
startCatalogue();

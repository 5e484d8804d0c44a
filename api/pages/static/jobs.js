import "./actions.js";
import { keepCurrent } from "./live.js";

keepCurrent();

from .archetypes.elicit import elicit
from .archetypes.table import ArchetypePolicy, sample
from .audit.workers import audit_workers
from .elections.democracy import Democracy
from .elections.state import exploitation, turnover
from .engines.base import Choices, Completion, Engine, EngineError, EngineInfo, Prompt
from .engines.embedded.engine import EmbeddedEngine
from .engines.gguf.folder import local_model
from .engines.openai import OpenAIEngine
from .engines.scripted import ScriptedEngine
from .engines.vllm import VLLMEngine
from .engines.wrappers.budget import Budget
from .engines.wrappers.dedupe import Dedupe
from .engines.wrappers.journal import Journal
from .engines.wrappers.lockstep import in_step
from .engines.wrappers.parallel import Parallel
from .engines.wrappers.tally import Tallied, Tally
from .people import people
from .personas.draw import Personas, describe, draw_personas
from .personas.joint import cells
from .personas.text import roles, templated, traits, written
from .planners.choice import ChoicePlanner
from .planners.reinforce import train_planner
from .planners.text import LLMPlanner
from .prompts.election import ElectionRules
from .prompts.planner import PlannerStyle
from .prompts.welfare import WELFARE
from .prompts.workers import Style
from .surrogate.network import Surrogate, distil, fit
from .surrogate.recording import RecordedWorkers
from .surrogate.refit import SurrogateRefit
from .workers.best import BestWorkers
from .workers.evaluator import ModelEvaluator
from .workers.habits import AdaptingWorkers, FollowingWorkers
from .workers.llm import LLMWorkers
from .workers.society import MovingSkills, Society

__all__ = [
    "WELFARE",
    "AdaptingWorkers",
    "ArchetypePolicy",
    "BestWorkers",
    "Budget",
    "ChoicePlanner",
    "Choices",
    "Completion",
    "Dedupe",
    "Democracy",
    "ElectionRules",
    "EmbeddedEngine",
    "Engine",
    "EngineError",
    "EngineInfo",
    "FollowingWorkers",
    "Journal",
    "LLMPlanner",
    "LLMWorkers",
    "ModelEvaluator",
    "MovingSkills",
    "OpenAIEngine",
    "Parallel",
    "Personas",
    "PlannerStyle",
    "Prompt",
    "RecordedWorkers",
    "ScriptedEngine",
    "Society",
    "Style",
    "Surrogate",
    "SurrogateRefit",
    "Tallied",
    "Tally",
    "VLLMEngine",
    "audit_workers",
    "cells",
    "describe",
    "distil",
    "draw_personas",
    "elicit",
    "exploitation",
    "fit",
    "in_step",
    "local_model",
    "people",
    "roles",
    "sample",
    "templated",
    "train_planner",
    "traits",
    "turnover",
    "written",
]

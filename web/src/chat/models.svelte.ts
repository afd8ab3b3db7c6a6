// Which models there are, and in what state: for the picker, and for the view of the models.

import { get, told } from "../lib/api.ts";

export interface Model {
  name: string;
  digest: string;
  format: string;
  size: number;
  architecture: string;
  parameter_count: number;
  quantization?: string;
  context: number;
  capabilities: string[];
  aliases?: string[];
  created: string;
}

export interface Instance {
  model: string;
  runtime: string;
  device: string;
  state: "starting" | "ready" | "draining";
  context: number;
  sequences: number;
  active: number;
  queued: number;
  memory: { weights: number; kv: number; compute: number; total: number; estimate: number };
  pinned: boolean;
  fallback?: string;
  embedding?: boolean;
  pid?: number;
  last_used: string;
  expires_at?: string;
}

export interface Ledger {
  budget: number;
  used: number;
}

class Models {
  list = $state.raw<Model[]>([]);
  instances = $state.raw<Instance[]>([]);
  ledger = $state.raw<Ledger | null>(null);
  known = $state(false); // the list was read at least once
  problem = $state("");

  get chatting(): Model[] {
    return this.list.filter((m) => m.capabilities.includes("chat") || m.capabilities.includes("generate"));
  }

  async load(): Promise<void> {
    try {
      this.list = (await get<{ models: Model[] }>("/api/v1/models")).models;
      this.known = true;
      this.problem = "";
      await this.look();
    } catch (e) {
      this.problem = told(e);
    }
  }

  // look reads what is loaded.
  async look(): Promise<void> {
    const out = await get<{ instances: Instance[]; memory?: Ledger }>("/api/v1/instances");
    this.instances = out.instances;
    this.ledger = out.memory ?? null;
  }

  of(name: string): Instance[] {
    return this.instances.filter((i) => i.model === name);
  }
}

export const models = new Models();

// The parts of docs/openapi.json that the console reads.

export type OrderStatus =
  | 'pending' | 'payment_confirmed' | 'preparing' | 'shipped' | 'delivered' | 'cancelled' | 'failed';

export type OrderAction =
  | 'approve' | 'reject' | 'cancel' | 'update-address' | 'cancel-payment' | 'confirm-payment'
  | 'confirm-delivery' | 'hold' | 'release' | 'update-items' | 'update' | 'refunds' | 'returns';

export type Attention = 'review' | 'hold' | 'stalled' | 'money';

export type WaitReason =
  | 'review' | 'payment_delay' | 'payment' | 'payment_rest' | 'payment_processing' | 'payment_hold'
  | 'hold' | 'shipping_delay' | 'delivery';

export interface Amounts {
  captured: number;
  discounts: number;
  due: number;
  fees: number;
  items: number;
  refunded: number;
  shipping: number;
  tax: number;
  total: number;
}

export interface Order {
  actions: OrderAction[];
  amounts?: Amounts;
  cancellation_reason: string | null;
  created_at: string;
  currency: string | null;
  customer: { email: string | null; id: string | null; name: string | null };
  failure: { code: string; detail: string } | null;
  hold?: { reason: string | null; since: string };
  is_running: boolean;
  items: { sku: string; name: string | null; quantity: number; unit_price: number }[];
  order_id: string;
  seq: number;
  status: OrderStatus;
  step: string;
  total_amount: number | null;
  updated_at: string;
  waiting_for?: {
    reason: WaitReason;
    until: string | null;
    next_attempt_at?: string;
    last_error?: string;
  };
}

export interface OrderList {
  orders: Order[];
}

export interface Accepted {
  already?: boolean;
  message: string;
}

export interface ProblemDocument {
  code: string;
  title: string;
  detail: string;
  status: number;
  errors?: { pointer: string; detail: string }[];
}

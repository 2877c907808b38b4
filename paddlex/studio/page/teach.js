// Teaching: the products, and for each the steps from its first picture to judging live.

import { t } from "../i18n.js";
import { renderProducts } from "./teach_products.js";
import { openWizard } from "./teach_wizard.js";

export async function mount(element, context) {
  const [name, step] = context.parts;
  await context.refresh();
  if (name === undefined) return renderProducts(element, context);
  const product = context.products.find((known) => known.name === name);
  if (product) return openWizard(element, context, product, step);
  context.announce(t("teach.gone", { name }));
  context.go("teach");
  return undefined;
}

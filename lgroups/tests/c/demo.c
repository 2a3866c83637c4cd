/* SPDX-License-Identifier: GPL-2.0 */
#include <lgroups.h>
#include <stdio.h>
int main(void) {
	char id[] = "kitchen", message[] = "is there coffee?", text[100];
	struct lgroup_t *kitchen = lgroup_init();
	if (install_group(kitchen, id) < 0 || publish_message(kitchen, message) < 0)
		return perror(id), 1;
	while (deliver_message(kitchen, text, sizeof text) > 0) puts(text);
	lgroup_destroy(kitchen);
}
